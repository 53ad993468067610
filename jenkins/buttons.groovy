// Derived from the usage texts of all roles by `firebreak sync`: change those, or templates/jenkins/buttons.groovy.
// Job DSL, called by the Jenkinsfile in the root: `paths` of the buttons, `repository` is its URL.
// What is asked before a build. The Jenkinsfile says the same, but Jenkins reads that only when a build begins: without this,
// a button would ask nothing the first time, and each time that the seed has run.
def questions = [
    rebuild_indexes: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        stringParam('min_waste', '',
            'From which percentage of empty space on an index is bloated, and 1 MiB of it. Leave it empty: then as the environment has it.')
        stringParam('index', '',
            'These indexes alone, whatever is wrong with them: with commas, with or without their schemas; on MariaDB and MySQL as table.index, such as orders.PRIMARY. Leave it empty: then as the environment has it.')
        stringParam('table', '',
            'The indexes of these tables alone. Leave it empty: then as the environment has it.')
        stringParam('kind', '',
            'Those of these kinds alone, with commas: leftover, invalid, bloated. All where it is not given. Leave it empty: then as the environment has it.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
    reelect_leader: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        choiceParam('action', ['run', 'undo', 'resume'],
            'What to do. undo: Moves the leadership back; resume: Ends a run that died.')
        stringParam('to', '',
            'The member that is to lead, by its name or id; without it the best of the others. Leave it empty: then as the environment has it.')
        stringParam('run', '',
            'The run; without it the last one. `firebreak history` shows them. Leave it empty: then as the environment has it.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
    repopulate_images: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        stringParam('keys', '',
            'A file with a key a line; behind a tab the SHA-256 of its picture, where that is known. Leave it empty: then as the environment has it.')
        stringParam('limit', '',
            'Look at so many keys at most. Leave it empty: then as the environment has it.')
        booleanParam('stale', false,
            'Replace good pictures too, where the source has a newer or another one.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
    resolve_transactions: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        stringParam('limit', '',
            'Look at so many transactions, or resolve so many, at most. Leave it empty: then as the environment has it.')
        stringParam('bank', '',
            'The bank that confirms: one of the services\' banks. Leave it empty: then as the environment has it.')
        stringParam('issuer', '',
            'Whose transactions; those of others are left. Leave it empty: then as the environment has it.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
    rollback_service: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        choiceParam('action', ['run', 'undo', 'resume'],
            'What to do. undo: Restores what the last run changed. resume: Finishes a run that died, or takes it back.')
        stringParam('repo', '',
            'Repositories of the services, separated by commas: billing,orders,team/web. Leave it empty: then as the environment has it.')
        stringParam('run', '',
            'The run; without it the last one. `firebreak history` shows them. Leave it empty: then as the environment has it.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
    test_pipeline: {
        choiceParam('environment', ['dev', 'stage', 'prod'], 'Which environment is on fire?')
        choiceParam('action', ['run', 'schema'],
            'What to do. schema: Prints a JSON Schema by which editors complete such files.')
        textParam('tests', '',
            'The argument <tests>. One value a line. Leave it empty: then as the environment has it.')
        stringParam('LIMIT', '',
            'The host that acts, by its name in the inventory: for when the first cannot be reached. Leave it empty: then the first acts. A run that one host began can be ended there alone.')
    },
]

folder('firebreak') {
    description('Repair and rollback buttons. Each has a README beside its Jenkinsfile.')
}

paths.each { path ->
    def role = path.split('/')[1]
    pipelineJob("firebreak/${role}") {
        description("See ${path.replace('Jenkinsfile', 'README.md')} in the toolkit's repository: when to press it, and what it does.")
        if (questions[role]) {
            parameters(questions[role])
        }
        definition {
            cpsScm {
                scm {
                    git {
                        remote {
                            url(repository)
                            credentials('firebreak-git')
                        }
                        branch('main')
                    }
                }
                scriptPath(path)
            }
        }
    }
}
