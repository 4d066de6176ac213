FROM scratch
ENV a=1
ENV a=1 b="two words" c='x y' d=\ e f= g="" h=a\"b
ENV legacy the rest   of the "line"
ENV	tab	value
ENV a=b=c
ENV a="$x ${y:-z w}" path=$PATH:/x
ENV a=1 \
    b=2 \
    # comment
    c=3
ENV a="multi \
line" b=x
ENV a=\
b
ENV "quoted name"=x
ENV a=x\
