#!/bin/bash
# Three generations of a real Debian 12 on a GPT disk with one ext4 file system.
#
#   debian.sh OUTDIR SIZE_BYTES CACHEDIR
#
#   v1    a usual server, packages of the point release only
#   v2    v1 and nginx, git, a compiler, pip, a PostgreSQL client
#   v3    v2 and every pending security and stable update, and some hardening
#
# v2.raw and v3.raw are patched in place: a copy of the disk before is mounted and changed, as a
# running machine would. v2r.raw and v3r.raw hold the same files, laid out afresh as an image
# pipeline would. The disks do not boot. v1 and the rebuilt ones are the same bytes in every run
# while the cached base and the mirror's packages stay the same.
#
# Status 3: this machine cannot; what is missing is printed.
set -euo pipefail
export LC_ALL=C TZ=UTC DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin
umask 022

[ $# = 3 ] || { echo "usage: debian.sh OUTDIR SIZE_BYTES CACHEDIR" >&2; exit 2; }
mkdir -p "$1" "$3"
out=$(cd "$1" && pwd) bytes=$2 cache=$(cd "$3" && pwd)

release=bookworm
base_packages=systemd-sysv,udev,kmod,openssh-server,ca-certificates,curl,iproute2,ifupdown,isc-dhcp-client,vim-tiny,less,procps,python3,sudo,cron,logrotate,locales,bzip2,xz-utils
v2_packages="nginx-light git build-essential python3-pip postgresql-client"
pinned_seconds=1700000000
file_system_id=4c1d2b7e-0000-4000-8000-00000000e404
disk_id=4C1D2B7E-0000-4000-8000-0000000D15C0
partition_id=4C1D2B7E-0000-4000-8000-0000000000A1

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
die() { echo "debian.sh: $*" >&2; exit 1; }

# ---------------------------------------------------------------- what the machine must have
apt_site() { apt-get indextargets --format '$(SITE) $(RELEASE)' 2>/dev/null | awk -v r="$1" '$2 == r {print $1; exit}'; }

missing=()
[ "$(id -u)" = 0 ] || missing+=("root: debootstrap and mounts need it")
for tool in apt-get:apt debootstrap:debootstrap mke2fs:e2fsprogs debugfs:e2fsprogs sfdisk:fdisk zstd:zstd; do
  command -v "${tool%:*}" > /dev/null || missing+=("${tool%:*}: apt-get install ${tool#*:}")
done
mirror=$(apt_site $release || true) security_mirror=$(apt_site $release-security || true)
[ -n "$mirror" ] || missing+=("a $release mirror among the apt sources")
[ -n "$security_mirror" ] || missing+=("a $release-security mirror among the apt sources")
[ "$bytes" -ge $((3 << 30)) ] || missing+=("a size of at least 3G: v2 holds 700 MB and its packages")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'cannot make Debian images here; missing:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 3
fi

work=$(mktemp -d "$out/.work.XXXXXX")
mounts_below() { awk -v w="$work/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r; }
clean_up() {  # innermost first: a bind mount left behind would let rm reach the cache
  set +e
  mounts_below | while read -r point; do umount "$point" 2> /dev/null || umount -l "$point"; done
  if [ -n "$(mounts_below)" ]; then say "left: $work (still mounted)"; else rm -rf --one-file-system "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ---------------------------------------------------------------- trees
in_tree() {  # in_tree DIR SCRIPT: runs SCRIPT in a chroot with /proc and the cached packages
  local tree=$1 status=0
  cp /etc/resolv.conf "$tree/etc/resolv.conf" 2> /dev/null || true
  printf '#!/bin/sh\nexit 101\n' > "$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
  echo force-unsafe-io > "$tree/etc/dpkg/dpkg.cfg.d/test-images"
  mkdir -p "$cache/debs" "$tree/var/cache/apt/archives"
  mount -t proc proc "$tree/proc"
  mount --bind "$cache/debs" "$tree/var/cache/apt/archives"
  chroot "$tree" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    SOURCE_DATE_EPOCH=$pinned_seconds sh -ec "$2" > "$work/log" 2>&1 || status=$?
  umount "$tree/var/cache/apt/archives"
  umount "$tree/proc"
  [ $status = 0 ] || { tail -30 "$work/log" >&2; die "the step in the chroot failed"; }
  rm -f "$tree/usr/sbin/policy-rc.d" "$tree/etc/dpkg/dpkg.cfg.d/test-images" "$tree/etc/resolv.conf"
}

tidy() {  # removes what differs from run to run and is of no use
  local tree=$1
  rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/* \
    "$tree"/tmp/* "$tree"/var/tmp/*
  rm -f "$tree"/var/log/*.log "$tree"/var/log/apt/* "$tree"/var/cache/ldconfig/aux-cache \
    "$tree"/var/lib/systemd/random-seed "$tree"/etc/ssh/ssh_host_* "$tree"/var/lib/dpkg/*-old \
    "$tree"/var/cache/debconf/*-old
  find "$tree" -xdev -name __pycache__ -type d -prune -exec rm -rf {} +
  : > "$tree/etc/machine-id"
  echo imgrepl-test > "$tree/etc/hostname"
}

base_tree() {  # base_tree DIR: from the cache, else from debootstrap
  local tree=$1 base
  base=$cache/base-$(printf '%s' "$mirror $base_packages" | sha256sum | cut -c1-12).tar.zst
  mkdir -p "$tree"
  if [ -s "$base" ]; then
    zstd -qdc "$base" | tar -C "$tree" --numeric-owner --xattrs -xf -
    return
  fi
  say "debootstrap (kept as $base)"
  mkdir -p "$cache/debs"
  debootstrap --variant=minbase --include="$base_packages" --cache-dir="$cache/debs" \
    $release "$tree" "$mirror" > "$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "debootstrap failed"; }
  echo "deb $mirror $release main" > "$tree/etc/apt/sources.list"
  tidy "$tree"
  tar -C "$tree" --numeric-owner --xattrs --one-file-system -cf - . | zstd -q -3 -T0 -o "$base.part"
  mv "$base.part" "$base"
}

# ---------------------------------------------------------------- disks
pin_times() { find "$1" -xdev -newermt "@$pinned_seconds" -print0 | xargs -0 -r touch -h -d "@$pinned_seconds"; }

make_disk() {  # make_disk TREE IMAGE: one ext4 partition from 1 MiB to 1 MiB before the end
  local tree=$1 image=$2 sectors=$((bytes / 512)) moment
  pin_times "$tree"
  rm -f "$image"
  truncate -s "$bytes" "$image"
  sfdisk -q "$image" << TABLE
label: gpt
label-id: $disk_id
start=2048, size=$((sectors - 4096)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$partition_id, name="root"
TABLE
  export E2FSPROGS_FAKE_TIME=$pinned_seconds
  mke2fs -q -F -t ext4 -L root -U $file_system_id \
    -E offset=1048576,hash_seed=$file_system_id,lazy_itable_init=1 \
    -d "$tree" "$image" "$((sectors / 2 - 2048))k"
  # mke2fs copies each file's ctime and atime, which nothing else can pin
  moment=$(date -u -d "@$pinned_seconds" +%Y%m%d%H%M%S)
  (cd "$tree" && find . -xdev -printf '"/%P"\n') |
    awk -v t="$moment" '{print "sif " $0 " ctime " t "\nsif " $0 " atime " t}' > "$work/pin"
  debugfs -w -f "$work/pin" "$image?offset=1048576" > /dev/null 2>&1
  unset E2FSPROGS_FAKE_TIME
}

can_mount() {
  [ -e /dev/loop-control ] || return 1
  truncate -s 8M "$work/probe" && mke2fs -q -F -t ext4 "$work/probe" && mkdir -p "$work/probe.d" &&
    mount -o loop "$work/probe" "$work/probe.d" 2> /dev/null && umount "$work/probe.d"
}

patch_disk() {  # patch_disk BEFORE AFTER STEP REBUILT: freed blocks become holes
  local point=$work/mnt
  cp --sparse=always "$1" "$2"
  mkdir -p "$point" "$work/copy"
  mount -o loop,offset=1048576,sizelimit=$((bytes - 2097152)),discard "$2" "$point"
  in_tree "$point" "$3"
  tidy "$point"
  cp -a "$point/." "$work/copy"
  rm -rf "$work/copy/lost+found"
  sync -f "$point"
  umount "$point"
  make_disk "$work/copy" "$4"
  rm -rf "$work/copy"
}

# ---------------------------------------------------------------- generations
v2_step="apt-get -qq update
apt-get -y -qq --no-install-recommends install $v2_packages
useradd -m app
mkdir -p /srv/app
cp -a /usr/share/doc/git/. /srv/app/ 2>/dev/null || true
sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' /etc/ssh/sshd_config"

v3_step="cat > /etc/apt/sources.list.d/updates.list <<LIST
deb $mirror $release-updates main
deb $security_mirror $release-security main
LIST
apt-get -qq update
apt-get -y -qq -o Dpkg::Options::=--force-confold dist-upgrade
printf 'Port 2222\nPasswordAuthentication no\n' >> /etc/ssh/sshd_config
echo 'net.ipv4.tcp_syncookies=1' > /etc/sysctl.d/90-hardening.conf"

tree=$work/tree
base_tree "$tree"
say "v1"
make_disk "$tree" "$out/v1.raw"
if can_mount; then
  say "v2: apt in the mounted disk"
  patch_disk "$out/v1.raw" "$out/v2.raw" "$v2_step" "$out/v2r.raw"
  say "v3: apt in the mounted disk"
  patch_disk "$out/v2.raw" "$out/v3.raw" "$v3_step" "$out/v3r.raw"
else
  say "no loop mounts here: only the rebuilt v2r and v3r"
  say "v2: apt in the tree"
  in_tree "$tree" "$v2_step"; tidy "$tree"; make_disk "$tree" "$out/v2r.raw"
  say "v3: apt in the tree"
  in_tree "$tree" "$v3_step"; tidy "$tree"; make_disk "$tree" "$out/v3r.raw"
fi
(cd "$out" && sha256sum ./*.raw > SHA256SUMS)
say "done: $out"
