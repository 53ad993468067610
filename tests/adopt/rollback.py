"""Usage:
  rollback.py get --repo=<r> --env=<e> [--dump=<dr>]
  rollback.py run --date=<d> --env=<e> --slack=<s> --user=<u> --pwd=<p> [--dump=<dr>]
"""
import json
import os
import pathlib
import sys

import docopt
import requests

TYPES = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2",
    )
)


def fetched(address, **more):
    answer = requests.get(address, timeout=30, **more)
    answer.raise_for_status()
    return answer.json()


def day_of(repository, tag):
    """The day on which an image was built: what its configuration says, by way of its manifest. Empty if it does not say."""
    manifests = f"{os.environ['FIREBREAK_REGISTRY']}/v2/{repository}/manifests"
    manifest = fetched(f"{manifests}/{tag}", headers={"Accept": TYPES})
    if "manifests" in manifest:
        # An index may hold more than images: who built them, for a platform that is unknown.
        image = next(it for it in manifest["manifests"] if it.get("platform", {}).get("os") == "linux")
        manifest = fetched(f"{manifests}/{image['digest']}", headers={"Accept": TYPES})
    configuration = manifest["config"]["digest"]
    return fetched(f"{os.environ['FIREBREAK_REGISTRY']}/v2/{repository}/blobs/{configuration}").get("created", "")[:10]


def get(repositories, environment, folder):
    found = {}
    for repository in repositories.split(","):
        tags = fetched(f"{os.environ['FIREBREAK_REGISTRY']}/v2/{repository}/tags/list?n=1000")["tags"]
        images = sorted((day_of(repository, tag), tag) for tag in tags if tag.endswith(f"-{environment}"))
        for day, tag in images:
            if day:
                found.setdefault(day, {})[repository] = tag
    dates = dict(sorted(found.items(), reverse=True))
    document = {"all": repositories.split(","), "rollbacks": dates}
    pathlib.Path(folder, "rollback.json").write_text(json.dumps(document), encoding="utf-8")
    for day, images in dates.items():
        print(day, " ".join(f"{name}:{tag}" for name, tag in images.items()))


def run(date, environment, slack, folder):
    document = json.loads(pathlib.Path(folder, "rollback.json").read_text(encoding="utf-8"))
    if date not in document["rollbacks"]:
        sys.exit(f"there is no rollback of '{date}'")
    platform = os.environ["FIREBREAK_PLATFORM"].removeprefix("marathon+")
    registry = os.environ["FIREBREAK_REGISTRY"].removeprefix("http://")
    changes = []
    for application in fetched(f"{platform}/v2/apps")["apps"]:
        parts = application["id"].strip("/").split("/")
        # Workers run the image of their service under another name.
        service = application["container"]["docker"]["image"].rsplit("/", 1)[-1].split(":")[0]
        days = [day for day in document["rollbacks"] if day <= date and service in document["rollbacks"][day]]
        if parts[:2] == ["shop", environment] and days:
            tag = document["rollbacks"][days[0]][service]
            container = application["container"]
            container["docker"]["image"] = f"{registry}/{service}:{tag}"
            # Marathon forgets these unless they are sent again.
            again = {name: application[name] for name in ("executorResources", "resourceLimits") if name in application}
            changes.append({"id": application["id"], "container": container, **again})
            print(f"{application['id']} goes to {tag}")
    answer = requests.patch(f"{platform}/v2/apps", json=changes, timeout=30)
    if not answer.ok:
        sys.exit(f"the platform refuses: {answer.status_code} {answer.text}")
    requests.post(slack, json={"text": f"{environment}: back to {date}"}, timeout=5)


if __name__ == "__main__":
    words = docopt.docopt(__doc__)
    place = words["--dump"] or "."
    if words["get"]:
        get(words["--repo"], words["--env"], place)
    else:
        if not (words["--user"] and words["--pwd"]):
            sys.exit("a user and a password are needed")
        run(words["--date"], words["--env"], words["--slack"], place)
