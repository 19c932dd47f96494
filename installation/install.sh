#!/bin/sh
# Sets a Debian or Ubuntu machine up to show Trainjourney on its screen from power-on: run as root in
# a clone of the repository. Run again after `git pull` it brings the show up to date. The former
# version stays beside the new one until the next time; see gallery.md for the way back.
#
#   sudo installation/install.sh
#   sudo EXTRAS=midi,zeroconf installation/install.sh     with MIDI, announced by zeroconf; it stays so
set -eu

home=/opt/trainjourney
state=/var/lib/trainjourney
settings=/etc/trainjourney/config.toml
command=/usr/local/bin/trainjourney
here=$(cd "$(dirname "$0")" && pwd)
clone=$(dirname "$here")
kept=/etc/trainjourney/extras # as they were asked for last
extras=${EXTRAS-$(cat "$kept" 2>/dev/null || true)}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}
case "$*" in
"") ;;
-h | --help)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit
    ;;
*) fail "takes no words, and was given '$*'; type: sudo $0" ;;
esac

clear_away() { # the versions but the new one and the one that it follows
    find "$home" -mindepth 1 -maxdepth 1 -type d -regex '.*/[0-9]+-[0-9]+' \
        ! -path "$1" ! -path "$2" -exec rm -r {} +
}

[ "$(id -u)" = 0 ] || fail "wants to be root; type: sudo $0"
command -v apt-get >/dev/null || fail "knows Debian and Ubuntu alone; elsewhere do by hand what it does"
[ -f "$clone/pyproject.toml" ] || fail "lies no longer in its clone; run it there"

echo "1. What it needs: a compositor for one program (cage), who lends it the screen (seatd), Python"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
    cage xwayland seatd kbd python3 python3-venv >/dev/null
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "python3 is $(python3 -V), 3.11 or later is wanted; take a newer Debian or Ubuntu"

echo "2. A user for it, who can do nothing else"
id trainjourney >/dev/null 2>&1 ||
    useradd --system --home-dir "$state" --shell /usr/sbin/nologin trainjourney
for group in video render input audio; do # as the unit names them
    getent group "$group" >/dev/null || groupadd --system "$group"
done
install -d -o trainjourney -g trainjourney "$state" "$state/looks"

echo "3. The program, in $home"
new=$home/$(date +%Y%m%d-%H%M%S)
trap '[ "$(readlink "$home/current" || true)" = "$new" ] || rm -rf "$new"' EXIT
install -d "$home"
python3 -m venv "$new"
"$new/bin/pip" install --quiet --disable-pip-version-check "$clone${extras:+[$extras]}"
runuser -u trainjourney -- sh -c "cd '$state' && '$new/bin/trainjourney' play --frames 3 \
    --output null --set journal.write=false" || fail "what was installed does not play; see above"
former=$(readlink "$home/current" || true)
ln -sfn "$new" "$home/.current" && mv -T "$home/.current" "$home/current"
clear_away "$new" "$former"

echo "4. Its settings, in $settings"
[ -f "$settings" ] || install -D -m 644 "$here/gallery.toml" "$settings"
echo "$extras" >"$kept"
ln -sfn "$settings" "$state/config.toml" # where the commands look
cat >"$command.part" <<END
#!/bin/sh
# trainjourney as the show runs it: its user, its folders, its settings. Written by install.sh.
case \$(id -un) in
trainjourney) ;;
root) exec /sbin/runuser -u trainjourney -- "\$0" "\$@" ;;
*) exec sudo -u trainjourney "\$0" "\$@" ;;
esac
cd $state || exit
export XDG_STATE_HOME=$state/state XDG_CACHE_HOME=/var/cache/trainjourney
exec $home/current/bin/trainjourney "\$@"
END
chmod 755 "$command.part"
mv "$command.part" "$command"

echo "5. Its unit, from power-on"
install -m 644 "$here/trainjourney.service" /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet seatd trainjourney
systemctl restart --no-block trainjourney
echo "Done. How it is: systemctl status trainjourney. What it said: sudo journalctl -u trainjourney"
