FROM scratch
BANANA
RUN <<EOF
	x
	EOF
