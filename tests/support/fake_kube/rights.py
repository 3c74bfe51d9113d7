"""Who may do what: refusals in the words of the real RBAC, and the reviews by which a client asks beforehand."""

import re

from support.fake_kube.objects import Object, status

USER = "jane@example.com"
Right = tuple[str, str, str]  # namespace, resource, verb
_LIST_VERBS = {
    "GET": ("list", "get"), "POST": ("create", "create"), "PATCH": ("patch", "patch"), "PUT": ("update", "update"),
    "DELETE": ("deletecollection", "delete"),
}  # fmt: skip
_MESSAGE = '{resource} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'


class Rights:
    """What is denied to the person who asks, and to the steps' service account."""

    def __init__(self) -> None:
        self.user = USER
        self.denied: set[Right] = set()
        self.denied_account: set[Right] = set()

    def refusal(self, verb: str, path: str) -> str:
        """Why a request is forbidden; empty where it is not."""
        found = re.fullmatch(r"/apis?(?:/([^/]+\.[^/]+|apps))?/v[^/]+(?:/namespaces/([^/]+))?/([^/]+)(/.*)?", path)
        if not found:
            return ""
        group, namespace, resource, name = (each or "" for each in found.groups())
        asked = _LIST_VERBS[verb][1 if name else 0]
        if (namespace, resource, asked) not in self.denied:
            return ""
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        return _MESSAGE.format(resource=resource, user=self.user, verb=asked, group=group, where=where)

    def review(self, kind: str, asked: Object) -> tuple[int, Object]:
        """The answer to a SelfSubjectReview, a SelfSubjectAccessReview or a SubjectAccessReview."""
        if kind == "selfsubjectreviews":
            return 201, {"status": {"userInfo": {"username": self.user}}}
        if kind == "subjectaccessreviews" and ("", kind, "create") in self.denied:
            words = {"resource": kind, "user": self.user, "verb": "create", "group": "authorization.k8s.io"}
            return 403, status(403, "Forbidden", _MESSAGE.format(**words, where="at the cluster scope"))
        right = asked["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (right["resource"], right.get("subresource"))))
        denied = self.denied_account if kind == "subjectaccessreviews" else self.denied
        return 201, {"status": {"allowed": (right["namespace"], resource, right["verb"]) not in denied}}
