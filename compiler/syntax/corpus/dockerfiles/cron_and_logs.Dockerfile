FROM debian:stable-slim
RUN apt-get update && apt-get install -y cron
RUN echo '* * * * * root echo "tick" >> /var/log/cron.log 2>&1' > /etc/cron.d/tick \
 && chmod 0644 /etc/cron.d/tick \
 && touch /var/log/cron.log
CMD cron && tail -f /var/log/cron.log
