FROM debian:stable-slim
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required=true npm ci
RUN --mount=type=secret,id=token,env=API_TOKEN curl -H "Authorization: $API_TOKEN" https://example.com/
RUN --mount=type=ssh,id=default git clone git@example.com:team/project.git /src
RUN --mount=type=secret,id=key,mode=0400,uid=1000,gid=1000 cat /run/secrets/key | wc -c
