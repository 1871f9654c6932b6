// tests/strangers/client_node.mjs - what programs written with @kubernetes/client-node do; one line per finding.
import * as k8s from '@kubernetes/client-node';
import { PassThrough } from 'stream';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
let failed = 0;

function ok(what, good, detail = '') {
	if (!good)
		failed++;
	console.log(good ? 'ok' : 'NOT OK', what, good ? '' : detail);
}

async function part(what, run) {
	try {
		await run();
	} catch (error) {
		ok(what, false, error.body || error.stack || error);
	}
}

// Until it holds, at most ten seconds.
async function until(holds) {
	for (let i = 0; i < 200 && !holds(); i++)
		await new Promise((resolve) => setTimeout(resolve, 50));
	return holds();
}

await part('objects', async () => {
	const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'cn' }, data: { a: 'b' } } });
	ok('a body without kind is taken', made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
	made.data.c = 'd';
	const replaced = await core.replaceNamespacedConfigMap({ name: 'cn', namespace, body: made });
	ok('what was read can be written back', replaced.data.c === 'd');
	const again = await core.replaceNamespacedConfigMap({ name: 'cn', namespace, body: replaced });
	ok('times with milliseconds are no change', again.metadata.resourceVersion === replaced.metadata.resourceVersion);
	const patched = await core.patchNamespacedConfigMap({ name: 'cn', namespace, body: [{ op: 'replace', path: '/data/a', value: 'z' }] });
	ok('a JSON patch', patched.data.a === 'z');
	const list = await core.listNamespace();
	ok('a list', list.items.some((one) => one.metadata.name === 'default'));
});

await part('watch', async () => {
	const seen = [];
	const request = await new k8s.Watch(config).watch('/api/v1/namespaces/default/configmaps', {},
		(type, object) => seen.push(`${type} ${object.metadata.name}`), () => {});
	ok('a watch begins with what is there', await until(() => seen.includes('ADDED cn')));
	await core.deleteNamespacedConfigMap({ name: 'cn', namespace });
	ok('a watch tells deletions', await until(() => seen.includes('DELETED cn')), seen.join());
	request.abort();
});

await part('pods', async () => {
	const seen = [];
	const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/pods', () => core.listNamespacedPod({ namespace }));
	informer.on('add', (pod) => seen.push(`add ${pod.metadata.name}`));
	informer.on('update', (pod) => seen.push(`update ${pod.status.phase}`));
	informer.on('delete', (pod) => seen.push(`delete ${pod.metadata.name}`));
	informer.on('error', () => {});	// stopping it is told as one
	await informer.start();
	await core.createNamespacedPod({ namespace, body: { metadata: { name: 'p' }, spec: { terminationGracePeriodSeconds: 1, containers: [
		{ name: 'c', image: 'limpet.local/busybox:latest', command: ['sh', '-c', 'echo hi from the pod; sleep 1000'] }] } } });
	ok('an informer tells a new pod', await until(() => seen.includes('add p')));
	ok('an informer tells that it runs', await until(() => seen.includes('update Running')), seen.join());

	const log = String(await core.readNamespacedPodLog({ name: 'p', namespace }));
	ok('a log', log.includes('hi from the pod'), log);
	const stream = new PassThrough();
	let text = '';
	stream.on('data', (piece) => { text += piece; });
	const following = await new k8s.Log(config).log(namespace, 'p', 'c', stream, { follow: true, tailLines: 5 });
	ok('a log that is followed', await until(() => text.includes('hi from the pod')), text);
	following.abort();

	const output = new PassThrough();
	let said = '';
	output.on('data', (piece) => { said += piece; });
	const status = await new Promise((resolve, reject) => {
		new k8s.Exec(config).exec(namespace, 'p', 'c', ['sh', '-c', 'echo out; exit 3'], output, new PassThrough(), null, false, resolve)
			.catch(reject);
		setTimeout(() => reject(new Error('exec did not end')), 10000);
	});
	ok('exec and its exit code', said.trim() === 'out' && status.details.causes[0].message === '3', said + JSON.stringify(status));

	await core.deleteNamespacedPod({ name: 'p', namespace, gracePeriodSeconds: 0 });
	ok('an informer tells that it is gone', await until(() => seen.includes('delete p')), seen.join());
	await informer.stop();
});

await part('object api', async () => {
	const api = k8s.KubernetesObjectApi.makeApiClient(config);
	const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace } };
	const made = await api.create({ ...secret, stringData: { a: 'b' } });
	ok('stringData becomes data', made.data.a === 'Yg==');
	const patched = await api.patch({ ...secret, data: { c: 'ZA==' } });
	ok('a strategic patch merges', patched.data.c === 'ZA==' && patched.data.a === 'Yg==');
	ok('a list of a kind by its name', (await api.list('v1', 'Secret', namespace)).items.length === 1);
	await api.delete(secret);
});

await part('errors', async () => {
	try {
		await core.readNamespacedPod({ name: 'none', namespace });
		ok('what is not there is an error', false);
	} catch (error) {
		ok('what is not there is an error', error.code === 404 && JSON.parse(error.body).reason === 'NotFound');
	}
});
process.exit(failed ? 1 : 0);
