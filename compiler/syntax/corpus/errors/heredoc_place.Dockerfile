FROM scratch
COPY a <<EOF
x
EOF
ADD <<EOF
x
EOF
