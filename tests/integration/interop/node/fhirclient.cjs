// Drives a server with fhirclient (SMART) as an application with a token would; prints what it saw as one JSON object.
const smart = require('fhirclient');

const [serverUrl, token] = process.argv.slice(2);
const storage = { get: async () => undefined, set: async (key, value) => value, unset: async () => true };
const request = { headers: {}, url: '/' };
const connected = (accessToken) =>
  smart(request, {}, storage).client({ serverUrl, tokenResponse: { access_token: accessToken } });
const seen = {};

const failure = async (request) => {
  try {
    await request;
    return 'no error';
  } catch (error) {
    return [error.status, error.message.includes('OperationOutcome')];
  }
};

const main = async () => {
  const client = connected(token);
  seen.metadata = await client.getFhirVersion();

  const patient = await client.create({ resourceType: 'Patient', name: [{ family: 'Smart' }] });
  const at = `Patient/${patient.id}`;
  seen.create = patient.meta.versionId;
  seen.read = (await client.request(at)).name[0].family;
  seen.patch = (await client.patch(at, [{ op: 'add', path: '/gender', value: 'male' }])).gender;
  const female = { ...patient, gender: 'female' };
  seen.update = (await client.update(female, { headers: { 'If-Match': 'W/"2"' } })).meta.versionId;
  const other = { ...patient, gender: 'other' };
  seen.stale = await failure(client.update(other, { headers: { 'If-Match': 'W/"1"' } }));
  const history = await client.request(`${at}/_history`);
  seen.history = history.entry.map((entry) => entry.resource.meta.versionId);

  const observation = (day) => ({
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'urn:smart', code: 'pulse' }] },
    subject: { reference: at },
    effectiveDateTime: `2024-03-${String(day).padStart(2, '0')}`,
  });
  const days = Array.from({ length: 12 }, (_, day) => day + 1);
  const entry = days.map((day) => ({
    resource: observation(day), request: { method: 'POST', url: 'Observation' },
  }));
  const stored = await client.request({
    url: serverUrl,
    method: 'POST',
    headers: { 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
  });
  seen.transaction = [...new Set(stored.entry.map((answer) => answer.response.status))];

  const query = 'Observation?code=urn:smart|pulse&_sort=-date&_count=5';
  const found = await client.request(query, { pageLimit: 0, flat: true });
  seen.pages = found.map((resource) => resource.effectiveDateTime.slice(-2));
  const count = async (search) => (await client.request(`Observation?${search}`, { flat: true })).length;
  seen.search = {
    token: await count('code=urn:smart|pulse'),
    date: await count('code=urn:smart|pulse&date=ge2024-03-03&date=lt2024-03-05'),
    chain: await count('code=urn:smart|pulse&patient.family=smart'),
    missing: await count('code=urn:smart|pulse&encounter:missing=false'),
  };
  const options = { pageLimit: 1, flat: true, resolveReferences: ['subject'] };
  seen.resolved = (await client.request(query, options))[0].subject.name[0].family;

  seen.invalid = await failure(client.create({ resourceType: 'Patient', gender: 'unheard-of' }));
  await client.delete(at);
  seen.deleted = await failure(client.request(at));
  const stranger = connected('wrong');
  seen.stranger = await failure(stranger.request(at));

  console.log(JSON.stringify(seen));
};

main();
