FROM debian:stable-slim
RUN cat <<EOF > /etc/motd && cat <<'EOT' > /etc/issue
welcome to $(hostname)
EOF
plain $text
EOT
RUN cat /etc/motd
