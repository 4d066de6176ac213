FROM scratch
LABEL a=b
LABEL "com.example.vendor"="ACME Incorporated"
LABEL multi="line 1 \
  line 2" other=x
LABEL legacy value with blanks
LABEL a= b="" c='single "double"'
LABEL version="1.0" description="say \"hi\""
