import http.server
import os


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the api\n")


http.server.HTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8001))), Handler).serve_forever()
