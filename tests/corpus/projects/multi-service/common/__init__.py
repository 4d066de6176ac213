ROUTES = {"/api": 8001}
