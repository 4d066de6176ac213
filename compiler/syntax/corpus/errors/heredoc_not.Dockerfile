FROM scratch
RUN cat<<EOF > /x
text
EOF
RUN cat <<EOF && echo it's
text
EOF
COPY a b
text
