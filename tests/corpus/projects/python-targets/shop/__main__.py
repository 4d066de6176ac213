import os
import sys

from shop import total

print(os.environ.get("APP_ENV"), total([1, 2, 3]), *sys.argv[1:])
