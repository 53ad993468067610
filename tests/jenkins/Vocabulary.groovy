/**
 * What a Jenkinsfile may say here: every section, directive, option, parameter and step with what it takes. A word that
 * is not in these lists is refused; a new one is added with its types as its plugin documents them.
 */
class Vocabulary {
    static final TEXT = [CharSequence]
    static final NUMBER = [Integer, Long]
    static final SWITCH = [Boolean]

    /** Section: the words in it, those it cannot do without, and of which exactly one is needed. */
    static final SECTIONS = [
        pipeline: [takes: ['agent', 'options', 'parameters', 'environment', 'stages', 'post'], needs: ['agent', 'stages'], oneOf: []],
        stage   : [takes: ['agent', 'options', 'environment', 'stages', 'steps', 'post'], needs: [], oneOf: ['steps', 'stages']],
        agent   : [takes: ['label'], needs: ['label'], oneOf: []],
    ]
    static final POST = ['always', 'aborted', 'cleanup', 'failure', 'success', 'unsuccessful']

    /** Name: what it takes, what it needs, the name of a value given without a name, whether a block follows. */
    static final OPTIONS = [
        ansiColor              : [takes: [colorMapName: TEXT], needs: ['colorMapName'], first: 'colorMapName'],
        buildDiscarder         : [takes: [strategy: [Map]], needs: ['strategy'], first: 'strategy'],
        disableConcurrentBuilds: [takes: [abortPrevious: SWITCH]],
        skipDefaultCheckout    : [takes: [skip: SWITCH], first: 'skip'],
        timeout                : [takes: [time: NUMBER, unit: TEXT], needs: ['time']],
        timestamps             : [takes: [:]],
    ]
    static final PARAMETERS = [
        booleanParam: [takes: [name: TEXT, defaultValue: SWITCH, description: TEXT], needs: ['name']],
        choice      : [takes: [name: TEXT, choices: [List], description: TEXT], needs: ['name', 'choices']],
        string      : [takes: [name: TEXT, defaultValue: TEXT, description: TEXT, trim: SWITCH], needs: ['name']],
        text        : [takes: [name: TEXT, defaultValue: TEXT, description: TEXT], needs: ['name']],
    ]
    /** Not steps: they make a value for a directive. */
    static final VALUES = [
        credentials: [takes: [id: TEXT], needs: ['id'], first: 'id'],
        logRotator : [takes: [numToKeepStr: TEXT, daysToKeepStr: TEXT]],
    ]
    /** What `withCredentials` is given: `string` with a `credentialsId` is no parameter. */
    static final BINDINGS = [string: [takes: [credentialsId: TEXT, variable: TEXT], needs: ['credentialsId', 'variable']]]
    static final STEPS = [
        // `extraVars` is left out: it becomes `-e key=value`, where a value can set another variable.
        ansiblePlaybook : [takes: [playbook: TEXT, inventory: TEXT, credentialsId: TEXT, tags: TEXT, extras: TEXT, limit: TEXT,
                                   colorized: SWITCH, checkMode: SWITCH, installation: TEXT],
                           needs: ['playbook', 'inventory'], agent: true],
        archiveArtifacts: [takes: [artifacts: TEXT, allowEmptyArchive: SWITCH], needs: ['artifacts'], first: 'artifacts', agent: true],
        echo            : [takes: [message: TEXT], needs: ['message'], first: 'message'],
        error           : [takes: [message: TEXT], needs: ['message'], first: 'message'],
        fileExists      : [takes: [file: TEXT], needs: ['file'], first: 'file', agent: true],
        findFiles       : [takes: [glob: TEXT], needs: ['glob'], agent: true],
        input           : [takes: [message: TEXT, ok: TEXT, submitter: TEXT, submitterParameter: TEXT, parameters: [List], id: TEXT],
                           needs: ['message', 'submitter', 'submitterParameter'], first: 'message'],
        jobDsl          : [takes: [targets: TEXT, additionalParameters: [Map], removedJobAction: TEXT, sandbox: SWITCH],
                           needs: ['targets', 'sandbox'], agent: true],
        lock            : [takes: [resource: TEXT], needs: ['resource'], first: 'resource', block: true],
        milestone       : [takes: [ordinal: NUMBER], first: 'ordinal'],
        readJSON        : [takes: [file: TEXT, text: TEXT, returnPojo: SWITCH], needs: ['file', 'returnPojo'], agent: true],
        script          : [takes: [:], block: true],
        sh              : [takes: [script: TEXT, label: TEXT, returnStdout: SWITCH, returnStatus: SWITCH], needs: ['script'],
                           first: 'script', agent: true],
        stash           : [takes: [name: TEXT, includes: TEXT], needs: ['name', 'includes'], agent: true],
        timeout         : [takes: [time: NUMBER, unit: TEXT], needs: ['time', 'unit'], block: true],
        unstash         : [takes: [name: TEXT], needs: ['name'], first: 'name', agent: true],
        withCredentials : [takes: [bindings: [List]], needs: ['bindings'], first: 'bindings', block: true],
        withEnv         : [takes: [overrides: [List]], needs: ['overrides'], first: 'overrides', block: true],
        writeJSON       : [takes: [file: TEXT, json: [Map, List], pretty: NUMBER], needs: ['file', 'json'], agent: true],
    ]

    /** Names that no script may use: the sandbox refuses them, or they block the controller. */
    static final FORBIDDEN = [
        'JsonSlurper', 'JsonSlurperClassic', 'JsonOutput', 'File', 'FileReader', 'FileInputStream', 'URL', 'System', 'Runtime', 'Thread',
        'ProcessBuilder', 'Jenkins', 'Hudson', 'GroovyShell', 'Eval', 'Class',
    ]
    static final FORBIDDEN_METHODS = ['execute', 'evaluate', 'getClass', 'forName', 'sleep', 'println', 'print', 'wait', 'invokeMethod', 'newInstance']

    /** What is wrong with these arguments of `name`; nothing if they fit. */
    static List<String> misfits(String kind, String name, Map spec, Map given) {
        def wrong = []
        given.each { key, value ->
            def types = spec.takes[key]
            if (types == null) {
                wrong << "$kind '$name' does not take '$key'".toString()
            } else if (!types.any { it.isInstance(value) }) {
                wrong << "$kind '$name' needs ${types*.simpleName.join(' or ')} for '$key', not ${value?.getClass()?.simpleName}".toString()
            }
        }
        (spec.needs ?: []).findAll { !given.containsKey(it) }.each { wrong << "$kind '$name' needs '$it'".toString() }
        return wrong
    }
}
