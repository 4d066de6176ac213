ARG a
ARG b=
ARG c=1 d e="x y" f='$g'
FROM scratch
arg a=${b:?no b}
