FROM debian:stable-slim
RUN apt-get update && apt-get install -y nginx-light && rm -rf /var/lib/apt/lists/*
COPY --chown=www-data:www-data public/ /var/www/html/
COPY <<EOF /etc/nginx/conf.d/default.conf
server {
    listen 80;
    root /var/www/html;
    location / {
        try_files \$uri \$uri/ /index.html;
    }
}
EOF
STOPSIGNAL SIGQUIT
EXPOSE 80 443
CMD ["nginx", "-g", "daemon off;"]
