//! Put missing pictures back into their store.

const USAGE: &str = "
Put missing pictures back into their store.

Problem:
  A dashboard or a shop shows broken pictures: they are gone from the store that serves them, or what lies
  there is no picture any more.

Solution:
  `get` looks for each key whether its picture is there: it is read and really decoded (PNG, JPEG, WebP, GIF), and
  compared with the source. It shows which are missing, broken and stale, and changes nothing. `run` looks as well,
  shows the plan, asks, and takes each missing or broken picture from the source: it is checked in the same way, and
  stored whole or not at all. A good picture is never overwritten; a stale one only with --stale. What the source
  does not have, or what it sends that is no picture, is told by key. Run it again at any time: what is good by then
  is left. Every run is in a journal.

Symptoms:
  Pictures, images, thumbnails or avatars are missing or broken on a dashboard or in a shop
  An image store, a bucket or a folder of pictures was lost, emptied or restored in part
  Placeholders are shown instead of pictures

Usage:
  repopulate_images get --source=<from> --target=<to> [--keys=<file>] [--limit=<n>] [options]
  repopulate_images run --source=<from> --target=<to> [--keys=<file>] [--limit=<n>] [--stale] [options]
  repopulate_images -h | --help | --version

Options of get and run:
  --source=<from>       Where good pictures come from: a URL such as https://cdn.example/{key}.png, a folder, or
                        s3://bucket/prefix. [env: FIREBREAK_PICTURES_SOURCE]
  --target=<to>         Where they belong: a folder, or s3://bucket/prefix?endpoint=https://host&region=eu-west-1.
                        [env: FIREBREAK_PICTURES_TARGET]
  --keys=<file>         A file with a key a line; behind a tab the SHA-256 of its picture, where that is known.
  --limit=<n>           Look at so many keys at most.
  --query=<sql>         Take the keys from a database instead: the first column of its rows; a second is the SHA-256.
                        [env: FIREBREAK_PICTURES_QUERY]
  --database=<url>      The database of --query: postgres://user:password@host/name, mysql:// or mariadb://.
                        [env: FIREBREAK_DATABASE] [secret]
  --access=<keys>       The keys to S3, as KEY:SECRET or KEY:SECRET:TOKEN. [env: FIREBREAK_S3_ACCESS] [secret]
  --jobs=<n>            Work on so many pictures at the same time. [default: 8]
  --largest=<mib>       A picture of more MiB is not looked into, and none is taken from the source. [default: 20]

Options of run:
  --stale               Replace good pictures too, where the source has a newer or another one.
  --env=<env>           The environment that it is about; the name of a protected one is typed out.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --timeout=<s>         Seconds that one step, such as a deployment, may take. [default: 600]
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

General options:
  --cacert=<file>       Trust the certificates in this PEM file as well: authorities', or a server's own.
  --insecure            Trust any certificate. Never do this in production.
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

A secret is best given as @path, the name of a file that holds it: everybody on the host sees a command line.

Names:
  `{key}` stands in a source and a target where the key belongs; where it does not stand, the key follows behind a
  `/`. A key is part of a path: `42`, `users/42.png`. One that would lead elsewhere (`../x`, `/x`) is refused by
  name, and the others go on.

Verify:
  The message says how many were stored, and which failed and why. `get` shows what is still missing. A second run
  stores only that.

Undo:
  Not by this program: what was stored was missing or broken before. With --stale, the picture before is gone, unless
  the store keeps versions.

Exit status:
  0    Done, or nothing to do; of get: it has looked, whatever it found.
  1    Failed; what was stored stays stored, and the next run goes on.
  2    The command line is wrong.
  3    Some pictures could not be stored: needs an operator. Each is named.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; what was stored stays stored.

Examples:
  repopulate_images get --source='https://cdn.example/{key}.png' --target='/srv/dashboard/{key}.png' --keys=keys.txt
  repopulate_images run --source=/backup --target='s3://shop/thumbs?region=eu-west-1' --access=@s3.keys --keys=keys.txt
";

fn main() -> std::process::ExitCode {
    firebreak::action::run_on(firebreak::action::Threads::EachCore, USAGE, firebreak::pictures::go)
}
