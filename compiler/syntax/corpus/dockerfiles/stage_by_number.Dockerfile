FROM debian:stable-slim
RUN echo first > /first
FROM debian:stable-slim
COPY --from=0 /first /second
FROM debian:stable-slim
COPY --from=1 /second /third
COPY --from=debian:stable /etc/debian_version /version
