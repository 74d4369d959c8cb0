//! Every operation of the description and every server function, asked by every kind of caller with every carrier, against tables
//! written by hand from section 2 of the contract (threats 60, 61). What has no row fails, and so does a row that nothing answers to.

mod asking;
mod caller;
mod functions;
mod objects;
mod rest;

use crate::{
    description::{Description, Operation},
    support::{SERVERS, TestServer, first_user, over},
};
use asking::Walk;
use http::Method;
use objects::World;
use serde_json::json;
use std::collections::BTreeSet;

/// Path and a body of each server function, as the table has them.
pub(crate) fn function_bodies() -> Vec<(&'static str, &'static str)> {
    functions::rows().into_iter().map(|row| (row.path, row.body)).collect()
}

async fn every_cell_holds(server: TestServer) {
    let world = World::new(server).await;
    let mut walk = Walk::new(&world);
    let rows = rest::rows();
    let described: BTreeSet<String> = world.description.operations().iter().map(Operation::key).collect();
    let known: BTreeSet<String> = rows.iter().map(asking::Row::key).collect();
    for key in described.difference(&known) {
        walk.wrong(format!("`{key}` has no row: write one into server/tests/it/matrix/rest.rs, from section 2 of the contract"));
    }
    for key in known.difference(&described) {
        walk.wrong(format!("`{key}` has a row in rest.rs and is not in the description"));
    }
    for row in rows.iter().filter(|row| described.contains(&row.key())) {
        walk.rest(row).await;
    }
    for row in rest::beside() {
        walk.beside(&row).await;
    }
    let succeeded = walk.succeeded.clone();
    for key in
        described.difference(&succeeded).filter(|key| !rest::NEVER_SUCCEED_HERE.contains(&key.as_str()))
    {
        walk.wrong(format!("`{key}` never succeeded: its good answer was not held against the description"));
    }
    let functions = functions::rows();
    let registered: BTreeSet<String> =
        leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path.to_owned()).collect();
    let known: BTreeSet<String> = functions.iter().map(|row| row.path.to_owned()).collect();
    assert!(registered.len() >= 25, "the functions are not registered: {registered:?}");
    for path in registered.difference(&known) {
        walk.wrong(format!("`{path}` has no row: write one into server/tests/it/matrix/functions.rs, from section 2 of the contract"));
    }
    for path in known.difference(&registered) {
        walk.wrong(format!("`{path}` has a row in functions.rs and is no server function"));
    }
    for row in functions.iter().filter(|row| registered.contains(row.path)) {
        walk.function(row).await;
    }
    walk.finish();
}

#[tokio::test]
async fn every_cell_of_the_access_matrix_holds_on_sqlite() {
    every_cell_holds(TestServer::start().await).await;
}

#[tokio::test]
async fn every_cell_of_the_access_matrix_holds_on_postgres() {
    every_cell_holds(TestServer::on_postgres().await).await;
}

/// The one operation that can succeed once in the life of a deployment.
#[tokio::test]
async fn the_first_owner_is_made_as_described() {
    let server = TestServer::bare().await;
    let description = Description::of(&server).await;
    let path = "/api/v2/users/first";
    let wrong_token = over(first_user(), json!({"setup_token": "wrong"}));
    for (method, body, status) in [
        (Method::GET, None, 404),
        (Method::POST, Some(wrong_token), 403),
        (Method::POST, Some(first_user()), 201),
        (Method::POST, Some(first_user()), 409),
        (Method::GET, None, 200),
    ] {
        let ask = server.anonymous().request(method.clone(), path);
        let ask = if let Some(body) = body { ask.json(&body) } else { ask };
        let answer = ask.send().await.expect(status);
        assert_eq!(description.objection(&method, path, &answer), None);
    }
}

/// Section 2: 404 is for unknown **or concealed**, and the two cannot be told apart.
#[tokio::test]
async fn concealed_and_unknown_are_byte_equal() {
    let world = World::new(TestServer::start().await).await;
    let outsider = world.client(caller::Who::Outside);
    for concealed in ["disabled", "grouped"] {
        for (method, tail) in [(Method::GET, ""), (Method::POST, "/check"), (Method::GET, "/explain")] {
            let mut answers = Vec::new();
            for name in ["unknown", concealed] {
                let id = world.object(name, caller::Who::Outside).await;
                let answer = outsider.request(method.clone(), &format!("{SERVERS}/{id}{tail}")).send().await;
                let mut headers = answer.headers.clone();
                for of_the_request in ["x-request-id", "date"] {
                    headers.remove(of_the_request);
                }
                answers.push((answer.status, headers, answer.body));
            }
            assert_eq!(answers[0], answers[1], "{method} of a {concealed} server");
            assert_eq!(answers[0].0, 404);
        }
    }
}
