"""Requests as clients send them, and what the guard says of each."""

import asyncio

from aiohttp.test_utils import make_mocked_request
from aiohttp_session import SESSION_KEY, Session
from multidict import CIMultiDict, CIMultiDictProxy

# The password of the fixture `live`: without a blank, so that it can stand in a header.
PASSWORD = "correct-horse"


def request(headers=(), query="", session=None):
    """A request as aiohttp hands it on: what is no UTF-8 in a header is a surrogate."""
    made = make_mocked_request("GET", "/queue" + query)
    # Put in afterwards: the mock encodes headers strictly, which aiohttp's parser does not; and aiohttp warns of a key
    # that is a string, which is aiohttp_session's.
    made._message = made._message._replace(headers=CIMultiDictProxy(CIMultiDict(headers)))
    made._headers = made._message.headers
    made._state[SESSION_KEY] = Session("", data=None if session is None else {"session": session}, new=session is None)
    return made


def bearer(value, kind="Bearer "):
    return request([("Authorization", kind + value)])


def told(identify, *requests):
    """The verdict on each, one after the other."""

    async def ask():
        return [(await identify.identify(one)).verdict for one in requests]

    return asyncio.run(ask())
