import json

from common import ROUTES

print(json.dumps(ROUTES))
