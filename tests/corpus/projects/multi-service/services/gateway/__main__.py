import json
import pathlib

routes = json.loads(pathlib.Path("/srv/gateway/routes.json").read_text())
print("routes", routes)
