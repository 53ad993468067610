// Job DSL, called by the Jenkinsfile beside it in the root: `paths` of the buttons, `repository` is its URL.
folder('firebreak') {
    description('Repair and rollback buttons. Each has a README beside its Jenkinsfile.')
}

paths.each { path ->
    def role = path.split('/')[1]
    pipelineJob("firebreak/${role}") {
        description("See ${path.replace('Jenkinsfile', 'README.md')} in the toolkit's repository: when to press it, and what it does.")
        definition {
            cpsScm {
                scm {
                    git {
                        remote {
                            url(repository)
                        }
                        branch('main')
                    }
                }
                scriptPath(path)
            }
        }
    }
}
