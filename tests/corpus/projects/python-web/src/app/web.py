"""A small web application."""
import os

import bottle

application = bottle.Bottle()


@application.get("/")
def index():
    return f"hello from python, user {os.getuid()}\n"
