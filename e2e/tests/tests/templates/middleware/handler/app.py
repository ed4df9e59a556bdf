# The handler: reads a file of its own, and answers with it and the path that was asked for.

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        with open("/data/word") as file:
            word = file.read()
        answer = f"{word} at {request.path_with_query()}\n".encode()
        response = OutgoingResponse(Fields())
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(answer)
        OutgoingBody.finish(body, None)
