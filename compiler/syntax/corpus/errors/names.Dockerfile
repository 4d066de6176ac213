FORM debian
FROM debian
RNU make
COYP a b
BANANA x
apt-get install
RUN: x
#ignored
"RUN" x
