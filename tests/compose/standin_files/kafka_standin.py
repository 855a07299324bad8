"""A stand-in for Kafka: librdkafka's mock cluster, made known as `kafka` beyond this container.

The mock cluster listens on 127.0.0.1 alone and says so to its clients. This hands their requests on, and puts our name
in the place of that address in the answers, where it stands as a string with its length before it.
"""

import asyncio
import os
import re
import socket
import struct

from confluent_kafka import Producer

NAME = re.search(r"//(\w+):", os.environ["KAFKA_ADVERTISED_LISTENERS"])[1].encode()
ITS_OWN = b"127.0.0.1"
PORT = 9092
TOPICS = ["stock-levels"]  # it makes them when a producer asks for them, and takes no other request to do so


def renamed(answer):
    """In the protocol's older strings the length is two bytes, in the newer ones a byte that counts itself."""
    for length in (lambda text: struct.pack(">h", len(text)), lambda text: bytes([len(text) + 1])):
        answer = answer.replace(length(ITS_OWN) + ITS_OWN, length(NAME) + NAME)
    return answer


async def hand_on_answers(cluster, client):
    while True:
        (size,) = struct.unpack(">i", await cluster.readexactly(4))
        answer = renamed(await cluster.readexactly(size))
        client.write(struct.pack(">i", len(answer)) + answer)
        await client.drain()


async def hand_on_requests(client, cluster):
    while data := await client.read(65536):
        cluster.write(data)
        await cluster.drain()


async def main():
    host = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
    [broker] = host.list_topics(timeout=20).brokers.values()
    for topic in TOPICS:
        host.list_topics(topic, timeout=20)

    async def serve(client_reads, client_writes):
        cluster_reads, cluster_writes = await asyncio.open_connection(ITS_OWN.decode(), broker.port)
        ways = [hand_on_answers(cluster_reads, client_writes), hand_on_requests(client_reads, cluster_writes)]
        tasks = [asyncio.create_task(way) for way in ways]
        _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        client_writes.close()
        cluster_writes.close()

    mine = socket.gethostbyname(socket.gethostname())
    servers = [await asyncio.start_server(serve, "0.0.0.0", PORT), await asyncio.start_server(serve, mine, broker.port)]
    print(f"{NAME.decode()}:{PORT} stands in for Kafka", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
