//! `#[async_test]`, which redis-rs's own tests use and its package leaves out: runs an async function as a test under
//! tokio, and gives it a connection to a server of its own where it takes one.

use proc_macro::TokenStream;
use quote::{format_ident, quote};
use syn::{ItemFn, parse_macro_input};

#[proc_macro_attribute]
pub fn async_test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut function = parse_macro_input!(function as ItemFn);
    let name = function.sig.ident.clone();
    let inner = format_ident!("{name}_inner");
    function.sig.ident = inner.clone();
    let call = if function.sig.inputs.is_empty() {
        quote! { #inner().await }
    } else {
        quote! {
            let context = crate::support::TestContext::new();
            #inner(context.async_connection().await.unwrap()).await
        }
    };
    quote! {
        #function

        #[test]
        fn #name() {
            crate::support::block_on_all(async { #call }, crate::support::RuntimeType::Tokio);
        }
    }
    .into()
}
