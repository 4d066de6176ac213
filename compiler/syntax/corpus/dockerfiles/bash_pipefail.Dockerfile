FROM debian:stable-slim
SHELL ["/bin/bash", "-euxo", "pipefail", "-c"]
RUN arr=(a b c); for x in "${arr[@]}"; do echo "$x"; done | sort -r
RUN if [[ -f /etc/debian_version ]]; then \
      cat /etc/debian_version; \
    else \
      exit 1; \
    fi
RUN echo $((1 << 4)) && [ 1 -lt 2 ]
