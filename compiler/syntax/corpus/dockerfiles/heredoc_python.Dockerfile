FROM debian:stable-slim
RUN apt-get update && apt-get install -y python3
RUN <<EOF python3
import json
with open("/versions.json", "w") as out:
    json.dump({"a": 1}, out)
EOF
RUN <<'EOF'
#!/usr/bin/env python3
print("with a shebang: $HOME \\ is literal")
EOF
