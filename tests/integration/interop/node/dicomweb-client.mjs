// Every method of dicomweb-client, as viewers in browsers use it: what each of them got, as JSON on stdout.
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import xhr2 from "xhr2";

globalThis.XMLHttpRequest = xhr2.XMLHttpRequest;
const { api } = (await import("dicomweb-client")).default;

const [base, token, study, series, instance, file] = process.argv.slice(2);
const client = new api.DICOMwebClient({ url: base, headers: { Authorization: `Bearer ${token}` } });
const one = { studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance };
const sha = (buffer) => createHash("sha256").update(Buffer.from(buffer)).digest("hex");
const start = ([buffer]) => Buffer.from(buffer).subarray(0, 4).toString("hex");
const uids = (found, tag) => found.map((each) => each[tag].Value[0]).sort();
const PNG = { mediaTypes: [{ mediaType: "image/png" }] };
const seen = {};

await client.storeInstances({ datasets: [new Uint8Array(readFileSync(file)).buffer] });
seen.storeInstances = uids(await client.searchForInstances({ studyInstanceUID: study }), "00080018");
seen.searchForStudies = uids(
  await client.searchForStudies({ queryParams: { StudyInstanceUID: study, limit: 5 } }),
  "0020000D",
);
seen.searchForSeries = uids(await client.searchForSeries({ studyInstanceUID: study }), "0020000E");
seen.searchForInstances = uids(
  await client.searchForInstances({ studyInstanceUID: study, seriesInstanceUID: series }),
  "00080018",
);
seen.retrieveStudyMetadata = uids(await client.retrieveStudyMetadata(one), "00080018");
seen.retrieveSeriesMetadata = uids(await client.retrieveSeriesMetadata(one), "00080018");
const [metadata] = await client.retrieveInstanceMetadata(one);
seen.retrieveInstanceMetadata = metadata["00080018"].Value;
seen.retrieveStudy = (await client.retrieveStudy(one)).map((each) => each.byteLength);
seen.retrieveSeries = (await client.retrieveSeries(one)).map((each) => each.byteLength);
seen.retrieveInstance = sha(await client.retrieveInstance(one));
seen.retrieveInstanceFrames = (await client.retrieveInstanceFrames({ ...one, frameNumbers: [1] })).map(sha);
seen.retrieveBulkData = (await client.retrieveBulkData({ BulkDataURI: metadata["7FE00010"].BulkDataURI })).map(sha);
seen.retrieveInstanceRendered = start(await client.retrieveInstanceRendered({ ...one, ...PNG }));
seen.retrieveInstanceThumbnail = start(await client.retrieveInstanceThumbnail({ ...one, ...PNG }));
seen.retrieveInstanceFramesRendered = start(
  await client.retrieveInstanceFramesRendered({ ...one, ...PNG, frameNumbers: [1] }),
);
seen.retrieveInstanceFramesThumbnail = start(
  await client.retrieveInstanceFramesThumbnail({ ...one, ...PNG, frameNumbers: [1] }),
);
const address = client.buildInstanceWadoURIUrl({ ...one, contentType: "application/dicom" }).replace(`${base}?`, `${base}/wado?`);
const answer = await fetch(address, { headers: { Authorization: `Bearer ${token}` } });
seen.buildInstanceWadoURIUrl = sha(await answer.arrayBuffer());
client.setDebug(false);
seen.setDebug = seen.getDebug = client.getDebug();
client.setVerbose(false);
seen.setVerbose = seen.getVerbose = client.getVerbose();
seen.methods = Object.getOwnPropertyNames(Object.getPrototypeOf(client)).filter(
  (name) => !name.startsWith("_") && name !== "constructor",
);
const stranger = new api.DICOMwebClient({ url: base, headers: { Authorization: "Bearer nobody" } });
seen.stranger = await stranger.searchForStudies().catch((error) => error.status);
seen.missing = await client.retrieveStudyMetadata({ studyInstanceUID: "1.2.3.4.5" }).catch((error) => error.status);
console.log(JSON.stringify(seen));
