# build the base
# in two lines
FROM scratch AS base

# not directly above

RUN a
   # indented
	RUN b # no comment
#
# last
CMD c
# at the end
