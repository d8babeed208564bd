#!/usr/bin/env python3
"""A trading bot as they are found: it logs in by itself, keeps its token, renews it, and knows of no proxy.

    stock_client.py BASE_URL        such as http://127.0.0.1:8080

Everything that public clients are known to insist on is insisted on here: a login needs `mdAccessToken`, `userId`,
`name` and an expiry in the future; `errorText` under any status is a failure, and so is anything but 200. It prints
what it did, a line a step, and ends with status 1 at the first thing that a stock client could not live with.
Python's standard library is all it needs.
"""

import json
import sys
import urllib.parse
import urllib.request
from datetime import datetime, timezone

CREDENTIALS = {
    "name": "somebody-else",
    "password": "their-own-password",
    "appId": "stock-client",
    "appVersion": "1.0",
    "deviceId": "00000000-0000-4000-8000-00000000000b",
    "cid": 4711,
    "sec": "their-own-secret",
}


class Bot:
    def __init__(self, base_url):
        self.base_url = base_url
        self.token = None
        self.expires_at = None

    # Session

    def log_in(self):
        self.accept(self.call("POST", "/v1/auth/accessTokenRequest", CREDENTIALS))

    def log_in_again_with_a_ticket(self):
        self.accept(self.call("POST", "/v1/auth/accesstokenrequest", CREDENTIALS | {"p-ticket": "theirs"}))

    def renew(self):
        before = self.expires_at
        self.accept(self.call("GET", "/v1/auth/renewAccessToken"))
        check(self.expires_at >= before, "a renewal that shortens life")

    def log_in_by_oauth(self, path):
        form = {"grant_type": "refresh_token", "refresh_token": "theirs", "client_id": "8", "client_secret": "x"}
        grant = self.call("POST", path, form=form)
        check("error" not in grant, grant)
        check(grant["token_type"].lower() == "bearer", grant)
        check(isinstance(grant["expires_in"], int) and grant["expires_in"] > 0, grant)
        check(grant["refresh_token"], grant)
        self.token = grant["access_token"]
        return grant["expires_in"]

    def accept(self, grant):
        check(grant["accessToken"] and grant["mdAccessToken"], grant)
        check(isinstance(grant["userId"], int) and grant["name"] and grant["userStatus"] == "Active", grant)
        check(isinstance(grant["hasLive"], bool), grant)
        check("p-ticket" not in grant, grant)
        self.expires_at = datetime.strptime(grant["expirationTime"], "%Y-%m-%dT%H:%M:%S.%fZ")
        self.expires_at = self.expires_at.replace(tzinfo=timezone.utc)
        check(self.expires_at > datetime.now(timezone.utc), grant)
        self.token = grant["accessToken"]

    # Trading

    def account(self):
        return self.call("GET", "/v1/account/list")[0]

    def place(self, account, price):
        order = {
            "accountSpec": account["name"],
            "accountId": account["id"],
            "action": "Buy",
            "symbol": "ESZ6",
            "orderQty": 1,
            "orderType": "Limit",
            "price": price,
            "timeInForce": "GTC",
            "isAutomated": True,
        }
        placed = self.call("POST", "/v1/order/placeOrder", order)
        check("failureReason" not in placed, placed)
        return placed["orderId"]

    def status_of(self, order):
        return self.call("GET", f"/v1/order/item?id={order}")["ordStatus"]

    def cancel(self, order):
        canceled = self.call("POST", "/v1/order/cancelorder", {"orderId": order})
        check("failureReason" not in canceled, canceled)

    # HTTP

    def call(self, method, path, body=None, form=None):
        request = urllib.request.Request(self.base_url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if form is not None:
            request.data = urllib.parse.urlencode(form).encode()
            request.add_header("Content-Type", "application/x-www-form-urlencoded")
        request.add_header("Accept", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        # Any status but 2xx is raised.
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.load(response)
        check(not (isinstance(answer, dict) and answer.get("errorText")), answer)
        return answer


def check(holds, seen):
    if not holds:
        raise SystemExit(f"a stock client could not live with this: {seen}")


def trade(bot):
    account = bot.account()
    order = bot.place(account, 1000)
    check(bot.status_of(order) == "Working", "an order that does not work")
    bot.cancel(order)
    check(bot.status_of(order) == "Canceled", "an order that was not canceled")
    return f"placed order {order} for {account['name']}, saw it work, canceled it"


def main(base_url):
    bot = Bot(base_url)
    bot.log_in()
    print(f"logged in, token {bot.token}, until {bot.expires_at.isoformat()}")
    print(trade(bot))
    bot.renew()
    print(f"renewed, token {bot.token}, until {bot.expires_at.isoformat()}")
    print(trade(bot))
    bot.log_in_again_with_a_ticket()
    print("logged in again, with a penalty ticket")
    for path in ("/auth/oauthtoken", "/v1/auth/oAuthToken"):
        life = bot.log_in_by_oauth(path)
        print(f"logged in by OAuth at {path}, for {life} s")
        print(trade(bot))
    print("done")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
