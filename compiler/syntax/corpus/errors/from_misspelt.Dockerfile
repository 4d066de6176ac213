ENV a=1
FORM debian
RUN x
CMD y
