"""Drives Darkroom with the FilePreviews client as it is on PyPI; prints the preview it got, as JSON."""

import json
import sys
import time

from filepreviews import (
    APIError,
    AuthenticationError,
    FilePreviews,
    InvalidRequestError,
    VERSION,
)

DEADLINE_S = 60


def finished(client, preview_id):
    """The preview once it has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        preview = client.retrieve(preview_id)
        if preview.status not in ("pending", "started"):
            return preview
        assert time.monotonic() < deadline, "still %s after %d s" % (preview.status, DEADLINE_S)
        time.sleep(0.1)


def raised(kind, status, call, *args, **kwargs):
    """The exception of that very kind that the call raises."""
    try:
        call(*args, **kwargs)
    except kind as error:
        assert type(error) is kind, repr(error)
        assert error.http_status == status, error.http_status
        assert error.json_body["error"]["message"] == str(error), error.json_body
        return error
    raise AssertionError("no %s" % kind.__name__)


def main(api_url, key, secret, source_url, callback_url):
    assert VERSION == "2.0.2", VERSION
    client = FilePreviews(api_key=key, api_secret=secret, api_url=api_url)
    accepted = client.generate(
        source_url,
        sizes=["60x60", 75, "x50", "original"],
        metadata=["exif", "checksum"],
        format="png",
        data={"order": 7, "name": "größe"},
        callback_url=callback_url,
    )
    assert accepted.status == "pending", accepted
    assert accepted.preview is None and accepted.thumbnails is None, accepted
    preview = finished(client, accepted.id)
    assert preview.status == "success", preview
    assert preview.url == accepted.url, (preview.url, accepted.url)
    assert preview.preview_url == preview.thumbnails[0]["url"]
    assert preview.user_data == {"order": 7, "name": "größe"}, preview.user_data

    for size, spelled in (({"width": 40}, 40), ({"width": 40, "height": 30}, "40x30"),
                          ({"height": 30}, "x30")):
        small = finished(client, client.generate(source_url, size=size).id)
        assert small.preview["requested_size"] == spelled, small.preview

    blank = raised(InvalidRequestError, 400, client.generate, "")
    assert (blank.param, str(blank)) == ("url", "This field may not be blank."), blank
    missing = raised(InvalidRequestError, 400, client.generate, None)
    assert (missing.param, str(missing)) == ("url", "This field is required."), missing
    stranger = FilePreviews(api_key="nobody", api_secret=secret, api_url=api_url)
    denied = raised(AuthenticationError, 401, stranger.retrieve, accepted.id)
    assert str(denied) == "Invalid API Key provided.", denied
    nobody = FilePreviews(api_key=key, api_secret="wrong", api_url=api_url)
    raised(AuthenticationError, 401, nobody.generate, source_url)
    unknown = "00000000-0000-4000-8000-000000000000"
    lost = raised(InvalidRequestError, 404, client.retrieve, unknown)
    assert lost.param == "task_id", lost.param
    assert str(lost) == "There is no preview with ID %s." % unknown, lost
    not_allowed = raised(APIError, 405, client.client.request, "PUT", "previews")
    assert not_allowed.json_body["error"]["type"], not_allowed.json_body

    json.dump(preview, sys.stdout)


main(*sys.argv[1:])
