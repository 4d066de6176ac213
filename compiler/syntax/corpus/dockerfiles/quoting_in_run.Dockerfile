FROM debian:stable-slim
RUN echo "it's" 'a "quoted" word' \"escaped\" && printf '%s\n' "a\\b"
RUN sed -i 's/a\/b/c/; s/\s\+$//' /etc/hosts || true
RUN awk 'BEGIN { print "x" }' && test "$(printf 'a b')" = 'a b'
RUN echo \$HOME $$ ${HOME%/} ${X:-"a b"}
