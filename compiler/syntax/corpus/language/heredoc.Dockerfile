FROM scratch
RUN <<EOF
echo a
# not a comment
echo b \
EOF
RUN <<-'EOF'
	tabs go
		all of them
	EOF
RUN <<A cat <<"B" 3<<C
of a
A
of b
B
of c
C
RUN cat <<EOF > /x && cat <<EOF > /y
one
EOF
two
EOF
RUN <<EMPTY
EMPTY
RUN python3 - <<'E O'
print("x")
 E O
E O
USER <<X
RUN "<<NO"
RUN cat<<NO
RUN cat <<<NO
RUN ["<<NO"]
COPY <<a.txt <<-b.txt plain /dest/
1
a.txt
	2
	b.txt
COPY --chmod=755 <<'two words' /x
$not $expanded
two words
ADD <<EOF /y
y
EOF
ONBUILD COPY <<EOF /z
z
EOF
ONBUILD RUN <<-EOF
	z
EOF
COPY << apart /x
x
apart
