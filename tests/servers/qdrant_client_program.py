"""Reads our requests as qdrant-client's models, and asks by qdrant-client: a URL, a collection; JSON on stdin."""

import json
import sys

from qdrant_client import QdrantClient, models

KINDS = {
    ("PUT", ""): models.CreateCollection,
    ("PUT", "points"): models.PointsList,
    ("POST", "points/query"): models.QueryRequest,
}


def main() -> None:
    read = 0
    for method, path, body in json.load(sys.stdin):
        if kind := KINDS.get((method, "/".join(path.split("/")[3:]))):
            kind(**body)  # raises ValidationError for a field that it does not know
            read += 1
    client = QdrantClient(url=sys.argv[1])
    name = sys.argv[2]
    client.create_collection(
        name,
        vectors_config={
            "tokens": models.VectorParams(
                size=2,
                distance=models.Distance.DOT,
                multivector_config=models.MultiVectorConfig(
                    comparator=models.MultiVectorComparator.MAX_SIM
                ),
            ),
            "first": models.VectorParams(size=1, distance=models.Distance.DOT),
        },
    )
    points = [
        models.PointStruct(id=i, vector={"tokens": [[1.0, i], [0.0, 1.0]], "first": [float(i)]})
        for i in range(3)
    ]
    client.upsert(name, points, wait=True)
    found = client.query_points(
        name,
        query=[[1.0, 1.0]],
        using="tokens",
        limit=2,
        prefetch=[models.Prefetch(query=[1.0], using="first", limit=2)],
    )
    counted = client.count(name, exact=True).count
    client.delete_collection(name)
    left = client.collection_exists(name)
    hits = [[point.id, point.score] for point in found.points]
    json.dump({"read": read, "hits": hits, "count": counted, "left": left}, sys.stdout)


main()
