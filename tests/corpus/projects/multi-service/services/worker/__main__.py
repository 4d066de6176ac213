import os
import sys

print("worked on", *sys.argv[1:], "as", os.getuid())
