FROM debian
RUN cat <<EOF>/x
hi
EOF
