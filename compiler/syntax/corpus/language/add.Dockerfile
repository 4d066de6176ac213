FROM scratch
ADD a b
ADD --checksum=sha256:0123456789 https://example.com/a.tar.gz /
ADD --keep-git-dir https://example.com/r.git#main:sub /src
ADD --keep-git-dir=false --unpack=true --link --chown=1:2 --chmod=u=rwX,go=rX a b /c/
ADD --unpack=false --exclude=**/*.md ["a b.tar", "/c"]
