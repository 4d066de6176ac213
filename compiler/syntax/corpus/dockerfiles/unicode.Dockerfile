FROM debian:stable-slim
LABEL description="Größe – 大きさ – размер"
ENV GREETING="grüß dich 👋"
RUN echo "naïve café" > /tmp/ünï
COPY ["döcs/", "/döcs/"]
CMD ["echo", "\u00e9\ud83d\ude00"]
