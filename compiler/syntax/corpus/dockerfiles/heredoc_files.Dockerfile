FROM debian:stable-slim
ARG GREETING="hello"
COPY <<-entrypoint.sh <<-'config.ini' /opt/
	#!/bin/sh
	echo ${GREETING}
	exec "$@"
	entrypoint.sh
	[main]
	path = $literal
	config.ini
RUN chmod +x /opt/entrypoint.sh
ENTRYPOINT ["/opt/entrypoint.sh"]
