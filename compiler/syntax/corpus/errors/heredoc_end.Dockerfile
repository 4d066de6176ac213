FROM scratch
RUN cat <<EOF
text
COPY a
 EOF
RUN x
