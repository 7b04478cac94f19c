// Drives a server with fhir-kit-client as an application would; prints what it saw, by step, as one JSON object.
import { Client } from 'fhir-kit-client';

const [baseUrl, bearerToken] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken });
const seen = {};

const failure = async (request) => {
  try {
    await request;
    return 'no error';
  } catch (error) {
    const { status, data } = error.response;
    return [status, data.resourceType, data.issue?.[0].code];
  }
};

seen.metadata = (await client.capabilityStatement()).fhirVersion;

const patient = await client.create({
  resourceType: 'Patient',
  body: { resourceType: 'Patient', name: [{ family: 'Kit' }], birthDate: '1980-02-03' },
});
const at = { resourceType: 'Patient', id: patient.id };
seen.create = patient.meta.versionId;
seen.read = (await client.read(at)).name[0].family;

const jsonPatch = [{ op: 'add', path: '/gender', value: 'male' }];
seen.patch = (await client.patch({ ...at, jsonPatch })).gender;
const ifMatch = (version) => ({ headers: { 'If-Match': `W/"${version}"` } });
const female = { ...patient, gender: 'female' };
seen.update = (await client.update({ ...at, body: female, options: ifMatch(2) })).meta.versionId;
seen.stale = await failure(client.update({ ...at, body: { ...patient, gender: 'other' }, options: ifMatch(2) }));
const conditional = await client.update({
  resourceType: 'Patient', searchParams: { _id: patient.id }, body: { ...patient, gender: 'unknown' },
});
seen.conditionalUpdate = conditional.meta.versionId;
seen.vread = (await client.vread({ ...at, version: 1 })).gender ?? null;
seen.history = (await client.history(at)).entry.map((entry) => entry.resource.meta.versionId);

const observation = (day) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'urn:kit', code: 'weight' }] },
  subject: { reference: `Patient/${patient.id}` },
  effectiveDateTime: `2024-03-${String(day).padStart(2, '0')}`,
  valueQuantity: { value: 60 + day, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
});
const post = (resource) => ({ resource, request: { method: 'POST', url: resource.resourceType } });
const days = Array.from({ length: 12 }, (_, day) => day + 1);
const bundle = (type, entry) => ({ body: { resourceType: 'Bundle', type, entry } });
const stored = await client.transaction(bundle('transaction', days.map((day) => post(observation(day)))));
seen.transaction = [...new Set(stored.entry.map((entry) => entry.response.status))];
const read = { request: { method: 'GET', url: `Patient/${patient.id}` } };
const missing = { request: { method: 'GET', url: 'Patient/nobody-at-all' } };
seen.batch = (await client.batch(bundle('batch', [read, missing]))).entry.map((entry) => entry.response.status);

const count = async (searchParams, more = {}) => {
  const found = await client.search({ resourceType: 'Observation', searchParams, ...more });
  return (found.entry ?? []).length;
};
const code = 'urn:kit|weight';
seen.search = {
  token: await count({ code }),
  date: await count({ code, date: ['ge2024-03-03', 'lt2024-03-05'] }),
  quantity: await count({ code, 'value-quantity': 'gt70|http://unitsofmeasure.org|kg' }),
  reference: await count({ code, subject: `Patient/${patient.id}` }),
  chain: await count({ code, 'subject:Patient.family': 'kit' }),
  post: await count({ code }, { options: { postSearch: true } }),
  compartment: await count({ code }, { compartment: at }),
  include: await count({ code, _include: 'Observation:subject' }),
};
const everything = await client.systemSearch({ searchParams: { _type: 'Patient,Observation', _id: patient.id } });
seen.search.system = everything.entry.length;

const pages = [];
let page = await client.search({ resourceType: 'Observation', searchParams: { code, _count: 5, _sort: '-date' } });
while (page) {
  pages.push(page.entry.map((entry) => entry.resource.effectiveDateTime.slice(-2)));
  page = await client.nextPage({ bundle: page });
}
seen.pages = pages;

const input = { resourceType: 'Patient', gender: 'unheard-of' };
const judged = await client.operation({ name: 'validate', resourceType: 'Patient', input });
seen.validate = judged.issue[0].severity;
seen.invalid = await failure(client.create({ resourceType: 'Patient', body: input }));
await client.delete(at);
seen.deleted = await failure(client.read(at));
seen.unknownType = await failure(client.request('Unheard/of'));
const stranger = new Client({ baseUrl, bearerToken: 'wrong' });
seen.stranger = await failure(stranger.read(at));

console.log(JSON.stringify(seen));
