FROM debian:stable AS compile
RUN apt-get update && apt-get install -y gcc libc6-dev
COPY <<'EOF' /hello.c
#include <stdio.h>
int main(void) {
    printf("hello, %s\n", "world");
    return 0;
}
EOF
RUN gcc -O2 -static -o /hello /hello.c
FROM scratch
COPY --from=compile /hello /hello
CMD ["/hello"]
