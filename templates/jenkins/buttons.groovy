// Derived from the usage texts of all roles by `firebreak sync`: change those, or templates/jenkins/buttons.groovy.
// Job DSL, called by the Jenkinsfile in the root: `paths` of the buttons, `repository` is its URL.
// What is asked before a build. The Jenkinsfile says the same, but Jenkins reads that only when a build begins: without this,
// a button would ask nothing the first time, and each time that the seed has run.
<% from "_actions" import actions, limit %>
def questions = [
<% for role in roles %>
    << role.name >>: {
        choiceParam('environment', [<< environments | map(attribute="name") | map("groovy") | join(", ") >>], 'Which environment is on fire?')
<% if role.acts | length > 1 %>
        choiceParam('action', [<< role.acts | map(attribute="entry") | map("groovy") | join(", ") >>],
            << actions(role) | groovy >>)
<% endif %>
<% for variable in role.variables if variable.asked %>
<% set help = (variable.description ~ (" One value a line." if variable.kind == "list") ~ (" Leave it empty: then as the environment has it." if variable.kind != "switch" else "")) | groovy %>
<% if variable.kind == "switch" %>
        booleanParam('<< variable.short >>', false,
            << help >>)
<% elif variable.choices %>
        choiceParam('<< variable.short >>', ['', << variable.choices | map("groovy") | join(", ") >>],
            << help >>)
<% else %>
        << "text" if variable.kind == "list" else "string" >>Param('<< variable.short >>', '',
            << help >>)
<% endif %>
<% endfor %>
        stringParam('LIMIT', '',
            << limit(role) | groovy >>)
    },
<% endfor %>
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
