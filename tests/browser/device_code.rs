//! A device code at the practice tenant: typed, signed in and confirmed by keyboard, each
//! page judged by axe-core.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;
use thirtyfour::prelude::*;

use super::{
    demo::Codes,
    window::{Scripts, in_demo},
};

/// What a program asks first: a code to show.
fn begin(practice: &str) -> Value {
    let host = practice.strip_prefix("http://").unwrap();
    let form = "client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&scope=openid%20https%3A%2F%2Fapi.partnercenter.microsoft.com%2Fuser_impersonation";
    let mut socket = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /organizations/oauth2/v2.0/devicecode HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_device_code_is_typed_signed_in_and_confirmed_by_keyboard() {
    in_demo(Scripts::On, async |demo, window| {
        window.goto(&demo.practice).await?;
        window.sees("Sign in, and see").await?;
        window.is_accessible().await?;
        window.picture("live-1-home").await?;

        let begun = begin(&demo.practice);
        let user_code = begun["user_code"].as_str().unwrap();
        window
            .goto(begun["verification_uri"].as_str().unwrap())
            .await?;
        window.sees("Enter code").await?;
        window.is_accessible().await?;
        assert_eq!(window.focus().await?, "code");
        window.strikes("WRONG").await?;
        window.strikes(Key::Enter).await?;
        window.is_told("not known").await?;
        window.is_accessible().await?;
        window.picture("live-2-wrong-code").await?;
        window.strikes(user_code.to_lowercase()).await?;
        window.strikes(Key::Enter).await?;

        let agent = &demo.agent;
        let mut codes = Codes::new(agent.secret.as_ref().unwrap());
        window.sees("Sign in").await?;
        window.gives_password(&agent.upn, &agent.password).await?;
        window.sees("one-time code").await?;
        window.gives_code(&codes.fresh()).await?;
        window
            .sees("Are you trying to sign in to Microsoft Azure CLI?")
            .await?;
        window.is_accessible().await?;
        window.picture("live-3-confirm").await?;
        window.strikes(Key::Tab).await?;
        window.strikes(Key::Enter).await?;
        window.sees("You have signed in").await?;
        window.is_accessible().await?;
        window.picture("live-4-done").await?;

        // A program that asks wrongly is answered with words.
        let wrong = "/organizations/oauth2/v2.0/authorize?client_id=x";
        window.goto(&format!("{}{wrong}", demo.practice)).await?;
        window.sees("cannot be answered").await?;
        window.is_accessible().await?;
        window.picture("live-5-refused").await?;
        Ok(())
    })
    .await;
}
