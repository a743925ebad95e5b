"""Stand-ins for the messaging APIs: they speak the real HTTP on a socket of one's own, so that the whole journey runs without a gateway.

`python -m stand_ins green_api --port 9000 --callback http://127.0.0.1:8080/callback/green_api` runs one. `POST /_scenario` says what
becomes of the next messages: `{"next": ["accept", "error.429", {"answer": "drop"}]}`. `GET /_ledger` shows what was taken.
"""

from stand_ins.base import StandIn
from stand_ins.evolution import Evolution
from stand_ins.green_api import GreenApi, GreenApiMax
from stand_ins.max import Max
from stand_ins.scenario import Accepted, Scenario
from stand_ins.server import serving
from stand_ins.smsc import Smsc
from stand_ins.smsru import SmsRu
from stand_ins.telegram import Telegram
from stand_ins.waha import Waha
from stand_ins.wazzup import Wazzup
from stand_ins.whatsapp_cloud import WhatsAppCloud

_KINDS: tuple[type[StandIn], ...] = (GreenApi, GreenApiMax, Waha, WhatsAppCloud, Wazzup, Evolution, Max, Telegram, Smsc, SmsRu)
ALL: dict[str, type[StandIn]] = {kind.name: kind for kind in _KINDS}

__all__ = ["ALL", "Accepted", "Scenario", "StandIn", "serving"]
