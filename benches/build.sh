#!/bin/bash
# Times builds against buildah, on a busybox base, on this machine:
#   rebuild   unchanged rebuild of 20 instructions with a context of 2,000 files
#   plan      1,000 RUN steps: read, lowered, optimised and printed
#   runs      40 tiny RUN steps, cold
#   copy      COPY of 1 GiB in 50,000 files, cold, with the peak memory, the cost of the certificate, and the reads of each file
# Usage: benches/build.sh [DIR]   (DIR needs 6 GiB; without buildah only imgc is timed)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release
imgc=$PWD/target/release/imgc
[ -n "${CARGO_TARGET_DIR:-}" ] && imgc=$CARGO_TARGET_DIR/release/imgc
dir=${1:-$(mktemp -d)}
mkdir -p "$dir" && cd "$dir"
export IMGC_STORE=$dir/store XDG_CACHE_HOME=$dir/cache HOME=$dir

now() { date +%s%N; }
# Median of N runs of a command, in milliseconds.
median() {
    local runs=$1 times=() start
    shift
    for _ in $(seq "$runs"); do
        start=$(now)
        "$@" >/dev/null 2>&1
        times+=($((($(now) - start) / 1000000)))
    done
    printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p"
}

mkdir -p root/bin root/etc && cp "$(command -v busybox)" root/bin/busybox && for a in sh true echo cat; do ln -sf busybox root/bin/$a; done
echo root:x:0:0:root:/:/bin/sh >root/etc/passwd
tar -C root -cf root.tar . && "$imgc" import root.tar base --env PATH=/bin >/dev/null
peer=
if command -v buildah >/dev/null && [ "$(id -u)" = 0 ]; then
    "$imgc" save --format oci -o base-oci.tar base
    peer="buildah --root $dir/b/root --runroot $dir/b/run --storage-driver overlay"
    $peer pull -q oci-archive:"$dir"/base-oci.tar >/dev/null && $peer tag "$($peer images -q | head -1)" localhost/base
fi

mkdir -p rebuild && cd rebuild
for i in $(seq 2000); do echo "file $i" >f$i; done
{
    echo FROM base
    for i in $(seq 6); do printf 'ENV A%d=1\nLABEL l%d=1\nRUN echo %d > /r%d\n' "$i" "$i" "$i" "$i"; done
    printf 'COPY . /ctx\n'
} >Dockerfile
sed 's#FROM base#FROM localhost/base#' Dockerfile >Dockerfile.peer
cd ..
"$imgc" build -q -t rebuild rebuild >/dev/null
echo "rebuild, 20 instructions, 2,000 files: imgc $(median 15 "$imgc" build -q -t rebuild rebuild) ms"
if [ -n "$peer" ]; then
    bud="$peer bud --isolation chroot --layers -q -f rebuild/Dockerfile.peer -t rebuild rebuild"
    $bud >/dev/null 2>&1
    echo "                                       buildah $(median 3 $bud) ms"
fi

mkdir -p thousand
{
    echo FROM base
    for i in $(seq 1000); do echo "RUN echo $i > /f$i"; done
} >thousand/Dockerfile
echo "plan of 1,000 RUN steps: imgc $(median 15 "$imgc" plan --passes thousand) ms with all passes"

mkdir -p runs
{
    echo FROM base
    for i in $(seq 40); do echo "RUN echo $i > /f$i"; done
} >runs/Dockerfile
sed 's#FROM base#FROM localhost/base#' runs/Dockerfile >runs/Dockerfile.peer
total=$(median 3 "$imgc" build -q --no-cache runs)
echo "40 tiny RUN, cold: imgc $total ms, $((total / 40)) ms each"
if [ -n "$peer" ]; then
    total=$(median 1 $peer bud --isolation chroot --layers --no-cache -q -f runs/Dockerfile.peer runs)
    echo "                   buildah $total ms, $((total / 40)) ms each"
fi

if [ ! -e copy/Dockerfile ]; then
    mkdir -p copy/data
    head -c 21474 /dev/urandom >seed
    for d in $(seq 500); do
        mkdir -p copy/data/$d
        for f in $(seq 100); do { echo "$d $f"; cat seed; } >copy/data/$d/$f; done
    done
    printf 'FROM base\nCOPY data /data\n' >copy/Dockerfile
fi
start=$(now)
peak=$(/usr/bin/time -f '%M' -o peak "$imgc" -v --progress plain build -t copy copy 2>said >/dev/null && tail -1 peak)
echo "COPY of 1 GiB in 50,000 files, cold: imgc $((($(now) - start) / 1000000)) ms, peak memory $((peak / 1024)) MiB"
echo "  $(grep certified: said)"
if command -v strace >/dev/null; then
    rm -rf "$dir/cache"
    mkdir -p few && cp -r copy/data/1 few/data 2>/dev/null || true
    printf 'FROM base\nCOPY data /data\n' >few/Dockerfile
    opened=$(strace -f -e trace=openat,openat2 "$imgc" build -q --no-cache few 2>&1 | grep -c '"[0-9]*", O_RDONLY\|"data/[0-9]*"' || true)
    echo "COPY of 100 files: $opened opens for reading"
fi
if [ -n "$peer" ]; then
    sed 's#FROM base#FROM localhost/base#' copy/Dockerfile >copy/Dockerfile.peer
    start=$(now)
    $peer bud --isolation chroot --layers -q -f copy/Dockerfile.peer -t copy copy >/dev/null 2>&1
    echo "                                     buildah $((($(now) - start) / 1000000)) ms"
fi
