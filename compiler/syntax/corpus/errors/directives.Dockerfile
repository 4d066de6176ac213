# escape=`
# syntax=a
# escape=\
# syntax=b
# check=skip=all
FROM scratch
