FROM scratch
COPY <<-END /x
	x
